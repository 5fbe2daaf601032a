select * from insights.cluster_profiles
order by num_artists desc, cluster_id asc
